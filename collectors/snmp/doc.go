// Package snmp reads network devices over SNMPv2c and SNMPv3.
//
// gosnmp is the codec; the walk loop is ours, since a walk must know whether it has seen everything.
package snmp
