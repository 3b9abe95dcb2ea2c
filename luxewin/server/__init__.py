"""The web server: gunicorn manages the processes, uvicorn speaks HTTP, `front` guards Django's threads."""
