// Package fault is the one error type that crosses package borders in Manifold's services.
//
// An *Error says in which operation something failed (Op), of which kind the failure is (Kind), why in one
// stable word (Reason, UPPER_SNAKE, for programs) and in one sentence (Err, for people). It may add metadata,
// the fields of a request that were wrong, and the time after which a retry is worth it. The mapping from
// Kind to a gRPC code lives in package serve and nowhere else.
//
// Invariants: the package imports the standard library only; an Error is not changed after it was handed on;
// the message speaks about values and allowed ranges, never about paths or stacks that a client must not see.
package fault
