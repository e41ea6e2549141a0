package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/cli"
	"github.com/throughline-dc/throughline/collectors/filter"
	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/collectors/san"
	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
	"github.com/throughline-dc/throughline/topology/store"
	"github.com/throughline-dc/throughline/topology/store/memory"
	"github.com/throughline-dc/throughline/topology/store/neo4j"
	"github.com/throughline-dc/throughline/topology/store/sqlite"
)

// This file is the only place that knows which concrete collectors and stores there are.

// newCollectors makes the collectors. Those that read a device once only need not remember anything of it.
func newCollectors(again bool) map[topology.Source]collectors.Collector {
	network := snmp.Options{}
	if !again {
		network.Rely = -1
	}
	return map[topology.Source]collectors.Collector{
		topology.SourceLibvirt: libvirt.New(time.Now),
		topology.SourceSNMP:    snmp.New(network),
		topology.SourceSSH:     ssh.New(ssh.Options{}),
		topology.SourceSAN:     san.New(san.Options{}),
		topology.SourceCLI:     cli.New(time.Now),
	}
}

func sourcesOfBuild() []string {
	names := []string{"snmp", "ssh", "san", "cli (files)", "libvirt (recordings)"}
	if libvirt.Live() {
		names[4] = "libvirt (live and recordings)"
	}
	return names
}

// parser reads a recording without a device.
type parser func(answer string, raw []byte) ([]topology.Observation, []collectors.Unparsed, error)

func parsers() map[string]parser {
	return map[string]parser{"libvirt": libvirt.Parse, "snmp": parseSNMP, "ssh": named("ssh", ssh.Answers(), ssh.Parse), "san": named("san", san.Answers(), san.Parse), "cli": named("cli", cli.Answers(), cli.Parse)}
}

// named makes a parser that needs to be told which command gave the answer: their forms are too much alike.
func named(source string, answers []string, parse parser) parser {
	return func(answer string, raw []byte) ([]topology.Observation, []collectors.Unparsed, error) {
		if answer == "auto" || !slices.Contains(answers, answer) {
			return nil, nil, exitWith(exitUsage, "want throughline parse %s ANSWER FILE, with the answer that FILE holds: %s", source, strings.Join(answers, ", "))
		}
		return parse(answer, raw)
	}
}

// acceptNewHostKeys lets the host keys of devices that are met for the first time be taken down.
func acceptNewHostKeys(devices []collectors.Device) []collectors.Device {
	devices = slices.Clone(devices)
	for i := range devices {
		switch access := devices[i].Access.(type) {
		case collectors.SSHAccess:
			devices[i].Access = acceptNew(access)
		case collectors.SANAccess:
			access.SSHAccess = acceptNew(access.SSHAccess)
			devices[i].Access = access
		}
	}
	return devices
}

func acceptNew(access collectors.SSHAccess) collectors.SSHAccess {
	access.AcceptNew = true
	access.Jump = slices.Clone(access.Jump)
	for j := range access.Jump {
		access.Jump[j].AcceptNew = true
	}
	return access
}

// openStore opens a store for writing. It keeps that much history, all if keep is 0.
func openStore(ctx context.Context, where string, keep time.Duration) (store.Store, error) {
	kind, file := storeKind(where)
	switch kind {
	case "memory":
		return memory.New(), nil
	case "sqlite":
		s, err := sqlite.Open(ctx, file, sqlite.Options{Keep: keep})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	if isNeo4j(where) {
		return nil, exitWith(exitUsage, "--store %q: what is published is only read: collect into a file, and add --publish %s", redactURL(where), redactURL(where))
	}
	return nil, exitWith(exitUsage, "--store %q: want a file, sqlite:FILE or memory:", redactURL(where))
}

// openReader opens a store for reading, while another process may write it.
func (a *app) openReader(ctx context.Context) (store.Reader, error) {
	where := a.store
	if isNeo4j(where) {
		c, err := a.neo4jConfig(where)
		if err != nil {
			return nil, err
		}
		return openPublished(ctx, c)
	}
	kind, file := storeKind(where)
	if kind != "sqlite" {
		return nil, exitWith(exitUsage, "--store %q: want a file, sqlite:FILE, or neo4j://HOST (what is in memory ends with the command)", redactURL(where))
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, exitWith(exitNothing, "store %s does not exist: run throughline collect --inventory FILE first, or name it by --store", file)
	}
	s, err := sqlite.Open(ctx, file, sqlite.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openPublished opens what was published in a Neo4j.
func openPublished(ctx context.Context, c neo4j.Config) (store.Reader, error) {
	c.Timeout = impatience
	r, err := neo4j.OpenReader(ctx, c)
	if errors.Is(err, neo4j.ErrUnpublished) {
		return nil, &exitError{exitNothing, err}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func storeKind(where string) (kind, file string) {
	switch scheme, rest, ok := strings.Cut(where, ":"); {
	case !ok:
		return "sqlite", where
	case scheme == "sqlite":
		return "sqlite", rest
	case scheme == "memory" && rest == "":
		return "memory", ""
	}
	return "", ""
}

// parseSNMP tells the two forms of recordings apart: the lines of snmpwalk -On have " = ", the others bars. Comments before them do not count.
func parseSNMP(answer string, raw []byte) ([]topology.Observation, []collectors.Unparsed, error) {
	if answer == "auto" {
		answer = snmp.AnswerSnmprec
		for line := range bytes.Lines(raw) {
			equals, bar := bytes.Index(line, []byte(" = ")), bytes.IndexByte(line, '|')
			if bytes.HasPrefix(line, []byte("#")) || equals < 0 && bar < 0 {
				continue
			}
			if bar < 0 || equals >= 0 && equals < bar {
				answer = snmp.AnswerWalk
			}
			break
		}
	}
	return snmp.Parse(answer, raw)
}

// configuration is what one file says that a device does with packets.
type configuration struct {
	filters []*policy.Filter
	facts   []topology.Fact // beside the filters
	rest    []string        // what belongs to no filter and was not understood
	cut     string          // why it is not whole
}

// configForm is a form of configurations that reach diff compares.
type configForm struct {
	name string // as --as takes it
	sign *regexp.Regexp
	read func(file string, raw []byte) (configuration, error)
}

// configForms are in the order in which their signs are looked for: what others have too comes last.
func configForms() []configForm {
	ofDevice := func(answer string) func(string, []byte) (configuration, error) {
		return func(file string, raw []byte) (configuration, error) { return readDeviceConfig(answer, file, raw) }
	}
	ofHost := func(read func(file string, raw []byte) (filter.Ruleset, error)) func(string, []byte) (configuration, error) {
		return func(file string, raw []byte) (configuration, error) {
			set, err := read(file, raw)
			c := configuration{filters: set.Filters}
			for _, l := range set.Rest {
				c.rest = append(c.rest, l.Text+" ("+l.Why+")")
			}
			return c, err
		}
	}
	saved := func(family policy.Family) func(string, []byte) (filter.Ruleset, error) {
		return func(file string, raw []byte) (filter.Ruleset, error) { return filter.IPTables(family, file, raw), nil }
	}
	return []configForm{
		{"ssh/nft", regexp.MustCompile(`^\s*\{\s*"nftables"`), ofHost(filter.NFT)},
		{"ssh/ip6tables-save", regexp.MustCompile(`(?m)^# Generated by ip6tables`), ofHost(saved(policy.IPv6))},
		{"ssh/iptables-save", regexp.MustCompile(`(?m)^# Generated by iptables`), ofHost(saved(policy.IPv4))},
		{"ebtables-save", regexp.MustCompile(`(?m)^# Generated by ebtables`), ofHost(func(file string, raw []byte) (filter.Ruleset, error) { return filter.EBTables(file, raw), nil })},
		{"cli/eos-config", regexp.MustCompile(`(?m)^! device: .*EOS-|^! boot system flash:.*EOS|^!RANCID-CONTENT-TYPE: arista`), ofDevice("eos-config")},
		{"cli/nxos-config", regexp.MustCompile(`(?m)^!Command: show running-config|^!RANCID-CONTENT-TYPE: cisco-nx|^feature [a-z]|^vdc \S+ id `), ofDevice("nxos-config")},
		{"cli/ios-config", regexp.MustCompile(`(?m)^Building configuration|^version 1[0-9]\.|^access-list [0-9]|^ip access-list extended |^interface (Fast|Gigabit|TenGigabit)Ethernet`), ofDevice("ios-config")},
	}
}

// configFormOf finds a form by its name, with or without its source, or by what a text begins with or holds.
func configFormOf(as string, raw []byte) (configForm, bool) {
	forms := configForms()
	i := slices.IndexFunc(forms, func(f configForm) bool {
		if as == "" {
			return f.sign.Match(raw)
		}
		return f.name == as || strings.HasSuffix(f.name, "/"+as)
	})
	if i < 0 {
		return configForm{}, false
	}
	return forms[i], true
}

// readDeviceConfig reads the configuration of a switch or router. What it states of its filters beside their rules says nothing more.
func readDeviceConfig(answer, file string, raw []byte) (configuration, error) {
	var c configuration
	obs, _, err := cli.ParseFile(answer, file, collectors.Device{Handle: "device"}, raw)
	if err != nil {
		return c, err
	}
	for _, o := range obs {
		c.cut = o.Reading.Reason
		for _, f := range o.Facts {
			switch {
			case f.Attr == topology.AttrRules:
				rules, err := policy.DecodeFilter(f.Value.String())
				if err != nil {
					return c, err
				}
				c.filters = append(c.filters, rules)
			case f.Subject.Kind != topology.Filter && f.Object.Kind != topology.Filter:
				c.facts = append(c.facts, f)
			}
		}
	}
	return c, nil
}
