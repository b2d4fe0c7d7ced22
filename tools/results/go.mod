module github.com/manifold-gen/manifold/tools/results

go 1.26.0
