"""Authentication of mail: SPF, DKIM, DMARC, ARC, Authentication-Results (MAU-1). Read ``verify.py`` first."""
