"""What people do before and after a load: the reasoning of it, each in modules of its own name.

Pure logic on the floor of the engine. What is concrete (a source, a target, a connection) is handed
in by `build`; what is decided here comes back as values.
"""
