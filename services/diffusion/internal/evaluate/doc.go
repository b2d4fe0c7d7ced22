// Package evaluate measures how good the pictures of a diffusion model are: distances from real pictures in the
// features of a classifier, beside the distances of real pictures, of noise and of simple models; agreement with the
// class that was asked for; the price of few steps; and whether pictures are copies of training pictures.
//
// Key of letters: n pictures of a row, m pictures of the reference, D features, P elements of a picture.
//
// Invariants:
//   - Every row of a report is a function of the model, the classifier, the data and the Sizes; only times and speeds
//     are not. Picture i of a row is picture i mod 64 of the request with the seed Sizes.Seed<<16 + i/64, so that any
//     client can draw it again, and rows that differ in sampler or guidance alone start from the same noise.
//   - All rows measure against one reference: the pictures of the split report from the larger of Sizes.N and
//     Sizes.NSteps on. Those before it are the real sample that shows the floor, so both are disjoint, and no model was
//     trained or chosen on either.
//   - Generated, real and baseline pictures have all been rounded to 8 bits.
//   - A report that is continued keeps its finished rows, and refuses to mix models, classifiers, data or sizes.
package evaluate
