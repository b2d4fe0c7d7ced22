// Package naivebayes is the classifier that takes the fields of a row for independent given its class,
//
//	P(c, x) = P(c) prod_j P(x_j | c),
//
// with P(x_j | c) Gaussian, Bernoulli, multinomial, categorical, or the complement's (Rennie, Shih, Teevan, Karger:
// Tackling the poor assumptions of naive Bayes text classifiers, 2003), one kind for each field. Being a joint
// distribution it also draws rows, answers questions and scores.
//
// Invariants:
//   - A fit is one pass in bounded memory. Counts are exact; sums of numbers are taken over blocks of 4,096 rows from
//     the first on, two passes over each, and blocks are added in their order (Chan, Golub, LeVeque 1983): chunks and
//     threads change no bit.
//   - A cell that is missing is left out of the fit and summed out of a prediction.
//   - Smoothing is over the declared domain, also over levels that the data do not have.
//   - A Model does not change; more rows make a new one.
package naivebayes
