// Package table holds rows of categories and numbers, as every model of the family takes them, and reads and writes
// them as CSV and Parquet.
//
// A File is opened, its Schema inferred in one pass (with a Declaration that overrides what is inferred), and its
// rows then read as often as they are wanted, in chunks, as a Source. What a Schema says is enough to read another
// file, or the cells of a request, in the same way: domains, missing markers, bins and derived fields are part of it.
//
// Invariants:
//   - Memory does not grow with the rows of a file: inference keeps at most Limits.Levels texts a column and a sketch
//     of its numbers that is exact up to 65,536 rows; a Source fills the chunk that it is given.
//   - A chunk's size changes nothing: the rows, their order and their numbers are those of the file.
//   - What comes from a file is checked before it is kept: errors are of kind fault.Corrupt or fault.Invalid and name
//     the line (for Parquet the row) and the column.
package table
