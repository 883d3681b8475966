"""The services that batches go to: one module a service, held to `protocols.Target` by a suite."""
