// Package jobs is training.v1.TrainingService for every family: it queues training jobs, runs them one at a time in
// the process, keeps their records and events in a file, and stores uploaded data sets. What training means is the
// family's Trainer.
//
// Invariants:
//   - One job trains at a time; at most Config.Queue wait. The same request_id gives the same job, after a restart
//     too.
//   - Records survive the process. A job that was running or waiting when the process ended is taken up again: its
//     Trainer goes on from the last checkpoint in the job's directory.
//   - The events of a job are numbered from 1 without gaps, in the order in which they were stored, and whoever watches
//     sees each of them once.
//   - An upload is stored whole, with the size and SHA-256 that its header states, or not at all.
//
// Lock order: Service.mu is taken alone; neither the file nor a Trainer is called under it.
package jobs
