"""The engines that run slots, on this machine or a cluster: the driver's side. Each keeps what `contract` promises."""
