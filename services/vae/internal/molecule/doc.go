// Package molecule reads molecules as text: SMILES, by the OpenSMILES grammar. It says whether a string is a molecule
// (grammar, ring bonds, valences, and a Kekulé structure for what is written as aromatic), and gives two strings of one
// molecule one key.
//
// What counts as valid follows RDKit's sanitization, with which the verdicts were compared: an atom has no more bonds
// than its element and charge allow, isoelectronic atoms being alike; atoms in brackets may have fewer (radicals);
// the five-valent nitrogen of nitro groups and azides and the halogens of perchlorates are allowed, and read as
// charges. Differences: the empty string and the wildcard * are no molecules here, dative bonds are not read, and the
// few that the tests list. Stereochemistry is read and not judged.
package molecule
