package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/internal/config"
	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

// moveFlags lets a command about moves take a policy, and age limits from an inventory.
func (a *app) moveFlags(cmd *cobra.Command) {
	a.limitsFlag(cmd)
	cmd.Flags().StringVar(&a.policyOf, "policy", "", "what you demand of moves: a `FILE`, - for standard input (default: what each check says by itself)")
	_ = cmd.MarkFlagFilename("policy", "yaml", "yml")
	limits := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if err := limits(cmd, args); err != nil || a.policyOf == "" {
			return err
		}
		p, err := readPolicy(cmd.Context(), a.policyOf)
		a.policy = p
		return err
	}
}

func readPolicy(ctx context.Context, file string) (p *config.Policy, err error) {
	if file == "-" {
		text, failed := readInput(ctx, os.Stdin, file)
		if failed != nil {
			return nil, failed
		}
		p, err = config.ParsePolicy(file, text)
	} else {
		p, err = config.LoadPolicy(file)
	}
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return p, nil
}

// demands is the policy that counts. Where it says no ages, those of the inventory or --max-age do.
func (a *app) demands() planner.Policy {
	var p planner.Policy
	if a.policy != nil {
		p = a.policy.Policy
	}
	ages := a.limits()
	tables := maps.Clone(ages.Tables)
	if tables == nil {
		tables = map[string]time.Duration{}
	}
	maps.Copy(tables, p.Ages.Tables)
	p.Ages = topology.AgeLimits{Default: cmp.Or(p.Ages.Default, ages.Default), Tables: tables}
	return p
}

// policyUsed is what an answer says of the policy it was made under.
func (a *app) policyUsed() *report.PolicyFile {
	if a.policy == nil {
		return nil
	}
	return &report.PolicyFile{File: a.policy.File, Digest: a.policy.Digest}
}

func (a *app) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "policy", Short: "Work with policies: what you demand of every move", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	validate := &cobra.Command{
		Use: "validate FILE", Short: "Read a policy file, and say all that is wrong with it", Args: exactly(1, "FILE"),
		Long: `Read a policy file whole and say everything that is wrong with it at once, with line and column: unknown keys, checks that there are not, rules that contradict each
other. Names of VMs and hosts are not looked up: throughline check tells those that are not there.` + exits(exitOK, exitFailed, exitUsage),
		Example: "  throughline policy validate policy.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.noPast(": a file is as it is"); err != nil {
				return err
			}
			p, err := readPolicy(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(policyView{p.File, p.Digest, len(p.Disabled), len(p.Overrides)}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s: no faults, %d of %d checks disabled, %d overrides\n%s\n", p.File, len(p.Disabled), checksBefore(), len(p.Overrides), p.Digest)
				return err
			})
		},
	}
	cmd.AddCommand(validate, a.policyCheckCommand())
	return cmd
}

type policyView struct {
	File      string `json:"file"`
	Digest    string `json:"digest"`
	Disabled  int    `json:"disabled"`
	Overrides int    `json:"overrides"`
}

// checksBefore counts the checks that are made before a move.
func checksBefore() (n int) {
	for _, c := range planner.Checks() {
		if c.When == planner.Before {
			n++
		}
	}
	return n
}
