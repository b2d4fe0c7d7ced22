// Package rules answers by rules that people wrote: templates with slots, generating grammars, and transformations of
// what was said in the manner of ELIZA (Weizenbaum: ELIZA, a computer program for the study of natural language
// communication between man and machine, 1966).
//
// A file of rules is YAML with the fields
//
//	rules: 1                  the version of this format
//	name, about               what it is
//	kind: grammar             or template, or transform
//
// A grammar has a start symbol and symbols, each with alternatives that are texts, or {text, weight}. In a text
// {animal} stands for one alternative of the symbol animal; {hero:animal} for one that is drawn once and then stays
// the same in the reply; {hero:animal|capital} changes its first letter. The changes are capital, upper, and a (puts a
// or an in front). {{ and }} are braces.
//
//	start: story
//	depth: 24                 the deepest nesting, 1 to 64; 32
//	symbols:
//	  story: ["Once upon a time {hero:animal|a} met {animal|a}.", {text: "The end.", weight: 0.1}]
//	  animal: [fox, hen]
//
// A template has texts instead of a start, and slots that the prompt fills with lines of "name: value". A slot has a
// default, or must be filled.
//
//	slots:
//	  guest: {help: whom to write to}
//	  host: {default: Your host}
//	texts: ["Dear {guest}, ... {host}"]
//
// Transformations answer the prompt's last line; its other lines are what was said before, and fill the memory.
//
//	greeting: [How are you?]   for an empty prompt
//	before: {dont: don't}      words that are replaced before anything else
//	swap: {i: you, my: your}   words that are replaced in what is taken over from the prompt
//	groups: {family: [mother, father]}
//	keywords:
//	  - words: [my]
//	    rank: 2                keywords of higher rank are tried first, of equal rank in the order of the text
//	    rules:
//	      - when: "* my @family *"   * is any number of words, @family a word of the group
//	        say: ["Tell me more about your {2}."]   {2} is what the second * or @ stood for
//	      - when: "*"
//	        goto: your         the rules of another keyword; next for the keyword of the next lower rank
//	memory:
//	  chance: 0.7              how likely something said before is taken up where no keyword applies
//	  rules: [{when: "* my *", say: ["Earlier you spoke of your {2}."]}]
//	none: [Please go on.]
//
// Invariants:
//   - A file is checked whole before any of it is used. Errors have the reason BAD_RULES and name the line: an unknown
//     field, a symbol that is not defined or cannot end, a goto that leads back to itself.
//   - A grammar always ends: where the depth is used up only alternatives that can end in time are drawn, and the
//     probabilities reported are those of the draws as they were made. Expansions and text of a reply are limited.
//   - A reply depends on (rules, prompt, seed, sample) alone.
package rules
