"""Who is who: logins, recipient resolution. Pure domain code over interfaces/directory.py (DIR-1, DIR-6, RTE-4)."""
