// Package service turns messages of lm.v1 into requests to the engine and the models, and their answers into messages.
package service
