// Package sampler walks from noise to a picture: DDPM, DDIM, Euler, Heun and DPM-Solver++ (2M), each a
// pure transition of an explicit State of one picture.
//
// A caller owns the loop, so that it can batch the evaluations of many pictures, stop between two of
// them, and carry a State elsewhere:
//
//	state := sampler.NewState(s, noise)     // standard normals
//	for !s.Done(state) {
//		t, alphaBar := s.At(state)          // what the denoiser is asked
//		x0 := denoise(state.X, t, alphaBar) // its estimate of the picture, clipped or not
//		s.Step(state, x0, normals)
//	}
//
// Invariants:
//   - State.X is always in the variance-preserving form that models are trained on, with standard normals
//     as the start. Euler and Heun, whose papers use the variance-exploding form, convert inside.
//   - Steps take the estimate of the picture, x0; where a formula wants epsilon it is derived from x0, so
//     clipping x0 also corrects epsilon (diffusers' use_clipped_model_output).
//   - Coefficients are float64, computed once in New. Element updates are float32 and add products that
//     were rounded to float32, terms from left to right as written: no compiler fuses them, and a
//     trajectory has the same bits everywhere.
//   - The step before the end needs no noise and draws none.
//   - A Sampler is immutable and may serve many States at once. Step allocates nothing after a State's
//     first step.
package sampler
