"""The governor's laws, and what it makes of servers that exist only as arithmetic."""
