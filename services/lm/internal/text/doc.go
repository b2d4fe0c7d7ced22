// Package text is what models that count see of a text: characters, bytes, words, or tokens given by white space, with
// a vocabulary that has an unknown token and the bounds of a document; and the reading of corpora.
//
// Invariants:
//   - Tokens 0, 1 and 2 are <unk>, <s> and </s>; the others follow in the order of their bytes, so that a vocabulary
//     depends on which tokens there are and not on the order in which they were met.
//   - Encoding never gives <s> or </s>; it gives <unk> for what the vocabulary lacks.
//   - Appending what Encode gave makes the text again: exactly for characters and bytes, with runs of white space
//     made one for words and given tokens.
package text
