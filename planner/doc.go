// Package planner says what a move of a VM would do before anybody makes it: which checks it passes, what stands in its way, and what is not known. It is pure:
// a snapshot and a policy in, findings with their evidence out. Nothing here can write to a device.
package planner
