// Package counting answers questions about a table by counting its rows: P(A and B) and P(A given B) as exact
// fractions, with the tables of counts that they come from, and a test of whether events are independent.
//
// A row counts for a question when every field that the question names is known in it. The model is the rows
// themselves, equal ones once with their number.
package counting
