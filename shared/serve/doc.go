// Package serve is the bootstrap that every daemon shares: configuration, the gRPC server with its interceptors,
// health, reflection, the side port, metrics, tracing and the order of shutdown. The same code serves over TCP, over
// loopback inside one process, and over memory in tests.
//
// Invariants:
//   - Kind becomes a gRPC code in one table (status.go) and nowhere else; every error that leaves a server carries an
//     ErrorInfo of the domain "manifold", and its message names neither paths nor stacks.
//   - A panic in a handler ends that call with INTERNAL; the process lives on.
//   - Health is NOT_SERVING until Service.Warm has returned, and NOT_SERVING again as the first act of shutdown.
//   - Shutdown has one order, written down in drain.go, and every wait in it is bounded by Config.
//   - /metrics and pprof are on the side port alone, never on the public one.
//   - Nothing here reads the environment or flags: Config is filled by main.
package serve
