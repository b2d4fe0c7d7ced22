// Package trunk holds the networks between pictures and codes that every autoencoder of the family is made of: a stack
// of dense layers, or of convolutions that halve a picture's size, and their mirror images.
//
// Letters in shape comments: N pictures, H W C height, width and channels of a picture, D = H*W*C, F features next to
// the code, h w the size of the smallest map.
//
// Invariants:
//   - What a row gives does not depend on the other rows.
//   - A class enters the first layer of a network like further inputs that are 1 for the class and 0 for the others:
//     a row of weights for each class, added at every position of a map.
package trunk
