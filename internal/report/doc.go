// Package report gives answers of the planner to people: one page of HTML or Markdown to attach to a change request. It is pure: an answer in, octets out.
package report
