// Package recipe trains the models of the family: it reads recipes, turns them into the tasks of package train, and
// publishes what comes out with its card and the statistics of its codes. It also makes published models of files.
//
// Invariants:
//   - A recipe is read strictly: an unknown field is refused with the list of the known ones.
//   - The weights that a recipe gives are a function of the recipe, the data and the numerics version. Everything
//     random about draw d of a run at step s is drawn from the counter (d, s) of the recipe's seed.
//   - Evaluations use the same pictures and noise every time, so that their figures can be compared.
//   - Nothing is published twice: a run directory remembers the model that it led to.
package recipe
