module github.com/manifold-gen/manifold/tools/check

go 1.26.0
