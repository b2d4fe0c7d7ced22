// Package smiles is a variational autoencoder of molecules written as SMILES (after Gómez-Bombarelli et al.,
// "Automatic chemical design using a data-driven continuous representation of molecules", 2018): a transformer reads
// the string into a code, a causal transformer writes it again from the code, token by token. Tokens that the writer is
// shown are dropped at random in training (Bowman et al., "Generating sentences from a continuous space", 2016), so
// that it has to ask the code.
//
// Invariants:
//   - A drawn string depends on the model, the seed, its number and the temperature alone.
//   - A string that a model cannot write, for a token that it does not know or for its length, is refused by Encode.
package smiles
