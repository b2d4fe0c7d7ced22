// Package rbm holds restricted Boltzmann machines: a layer of visible units v, a layer of binary hidden units h,
// and an energy without terms inside a layer,
//
//	E(v, h) = A(v) - c'h - u(v)'W h,   p(v, h) = exp(-E(v, h)) / Z,   F(v) = -log sum_h exp(-E(v, h))
//
// (Smolensky 1986; Hinton, "Training Products of Experts by Minimizing Contrastive Divergence", 2002; Hinton, "A
// Practical Guide to Training Restricted Boltzmann Machines", 2010). With x = c + W'u the hidden units are independent
// given v: p(h_j = 1 | v) = sigmoid(x_j), and F(v) = A(v) - sum_j softplus(x_j).
//
// Key of letters in shapes: B rows, V visible units, H hidden units, P pixels, K levels of a pixel, L label units.
//
// Invariants:
//   - A row's result does not depend on the other rows, on threads or on kernels: products are those of package
//     tensor, sums over units run in float64 in ascending order, and every draw is a function of (seed, chain, sweep,
//     purpose, unit).
//   - Means, inputs and states are Float32; energies, log-likelihoods and partition functions are float64 in nats.
//   - A temperature T divides energies: p_T(v, h) is proportional to exp(-E(v, h)/T).
package rbm
