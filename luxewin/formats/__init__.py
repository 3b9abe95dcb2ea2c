"""How people type dates here, whatever their language: year, month, day. `01/12/2026` is two days, so it is neither."""
