// Package service implements tabular.v1.TabularService over the models in memory.
//
// Invariants:
//   - Everything in a request is checked before a worker is asked: names of fields and levels are looked up, and what
//     does not exist is an error that says what does, with the nearest name first.
//   - Evidence that is impossible is an error of its own reason, never an answer.
//   - What an answer may hold is bounded before it is made.
package service
