"""Whom a call belongs to: its execution, who that is for FlyteAdmin, and which node of it the call is."""
