"""The stages that the engine puts together: what they are made of, and what each of them keeps.

`parts` is what an engine is given and what comes of it. `ends` counts how records end, `handing`
holds the bodies between the packing and the writers, `supply` is the way from the source to closed
bodies. The walk through them stands at the head of `ingest.engine`.
"""
