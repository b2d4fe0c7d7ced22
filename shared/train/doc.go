// Package train is the training loop that all models share: steps, gradients, optimiser, checkpoints, exact
// resume, evaluation, early stop and progress events.
//
// A model's side of it is a Task: parameters, the loss of a micro-batch on a tape, the evaluation on the
// selection split, previews. The loop owns everything else. What a task can do beyond that it says by being Stateful
// (it keeps tensors besides its parameters), a Stepper (it does something after every step) or a Reporter (it tells
// more of itself than figures). Stages runs several tasks one after the other.
//
// Invariants:
//   - The bytes that a run ends with are a function of the task, the Config and the numerics version. Data order
//     and random draws are counter-based; a step's gradient is the mean over its micro-batches, whose size comes
//     from the Config, added in ascending order. Threads, events, previews and the moments of checkpoints do not
//     matter, and a run that was killed at any instruction and started again ends with the bytes of one that was not.
//   - A checkpoint holds weights, averaged weights, optimiser state, the task's own state, counters and the position in
//     the data, and no time of day. It is written atomically; the newest two stay, and the best by the selection
//     metric.
//   - A checkpoint that cannot be written leaves the older ones as they were and is reported; training goes on and
//     tries again at the next one. Only a final checkpoint that fails makes the run fail.
//   - A loss or gradient that is not finite stops the run before the optimiser sees it.
//   - A cancelled context stops the run within one micro-batch.
//   - One directory is used by one run at a time, across processes.
//
// Files of a run's directory: lock, step-<steps>.safetensors (the newest two), best.safetensors (averaged weights
// alone), clock.json (seconds of training so far, for reports).
package train
