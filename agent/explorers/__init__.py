"""Who can answer in Claude's place: samplers that take the same road through schema, guard and journal."""
