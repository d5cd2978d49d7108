"""The auditor of logs that others wrote: reads markdown tolerantly and reports what contradicts what."""
