"""The web server: gunicorn keeps the processes, uvicorn speaks HTTP, `front` guards the threads that Django runs in."""
