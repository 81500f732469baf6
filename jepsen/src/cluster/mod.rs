//! Nodes in network namespaces behind the harness's own router, their disks and their clocks.
