// Package gateway is the one door of Manifold: gRPC, gRPC-Web and Connect over one port, OpenAI-shaped HTTP
// beside them, and the studio page.
//
// It knows the services through proto/gen alone and passes tensors and pictures on as the bytes they came in.
// What it adds is what a client needs from a fleet: one address, keys and limits, deadlines, and streams that
// outlive the replica they began on. A generation or a chain that breaks UNAVAILABLE is reopened on another replica
// from the last resume state, and events that the client has already seen are dropped by their sequence number,
// so the client sees identical bytes and no gap.
//
// Families stand in one table; models and jobs are those of all of them, and one that does not answer hides nothing of
// the others. A gateway serves whichever of them it was given.
//
// Invariants: resume states never reach a client; an event id is opaque to clients and signed with the fleet
// key; nothing is retried past the request's deadline.
package gateway
