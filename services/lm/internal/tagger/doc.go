// Package tagger labels words with parts of speech by a hidden Markov model of tags: second order, as in TnT (Brants:
// TnT, a statistical part-of-speech tagger, 2000).
//
// Letters: K tags; t_i the tag of word w_i; t_0 = t_-1 = t_n+1 the boundary.
//
//	p(t, w) = prod over i of p(t_i | t_i-2, t_i-1) p(w_i | t_i), times p(boundary | t_n-1, t_n)
//
// Transitions are frequencies of one, two and three tags mixed by deleted interpolation. Words come by Bayes' rule,
// p(w | t) = p(t | w) p(w) / p(t). p(t | w) goes from the general to the special, every step mixed with the one before
// it in proportion to how often it was seen (successive abstraction): tags of rare words, of their shape (capitals,
// digits, hyphens, signs, the sentence's first word), of endings of one letter, of two and so on, of the word in small
// letters, of the word as it stands. p(w) is the word's frequency; a word that training has not seen shares, with all
// other such words, the mass of words seen once.
//
// The counts of a model are taken from its treebank. One trained on Universal Dependencies' English Web Treebank (CC
// BY-SA 4.0) may be passed on under that licence with the treebank named: its card has to say so.
//
// Invariants: a Model is counts and settings, and does not change; all else follows from them when it is opened. Sums
// run over tags in ascending order, over words in alphabetical order.
package tagger
