// Package recipe trains the denoisers of the diffusion service: it reads recipes, turns them into a train.Task, and
// publishes what comes out as a model with its card. What it shares
// with the recipes of other families is package shared/recipe.
//
// Invariants:
//   - The weights that a recipe gives are a function of the recipe, the data and the numerics version. Everything
//     random about sample d of a run at step s is drawn from the counter (d, s) of the recipe's seed.
//   - The evaluation uses the same pictures, timesteps and noise every time, so that its figures can be compared.
//   - The published weights are the averaged ones.
package recipe
