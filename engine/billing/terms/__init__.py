"""Terms of money: what customers' lines come to after coupons, commitments, credits and taxes. Entered by settled.py."""
