package service

import (
	diffusionv1 "github.com/manifold-gen/manifold/proto/gen/manifold/diffusion/v1"
	"github.com/manifold-gen/manifold/services/diffusion/internal/engine"
	"github.com/manifold-gen/manifold/services/diffusion/internal/recipe"
	"github.com/manifold-gen/manifold/shared/wire/models"
)

// Family is the name of this family in manifests and metrics.
const Family = recipe.Family

// maxChains is how many AddNoise calls run at a time. One whose client reads slowly holds its place and little else.
const maxChains = 32

// Models serves and keeps the models of the family.
type Models = models.Service[*engine.Loaded]

// Service implements diffusion.v1.DiffusionService.
type Service struct {
	diffusionv1.UnimplementedDiffusionServiceServer
	models *Models
	chains chan struct{}
}

// New makes the service over the models of the family.
func New(models *Models) *Service {
	return &Service{models: models, chains: make(chan struct{}, maxChains)}
}
