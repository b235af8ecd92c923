package main

import "strings"

// flagList is an ordered list of `--name=value` arguments.
type flagList []string

// overridden returns the list with `users` appended and every own flag dropped
// that the user names too. Some flags of the API server append when they are
// given twice (`--authorization-mode`), so the last one does not simply win.
func (own flagList) overridden(users []string) []string {
	named := map[string]bool{}
	for _, argument := range users {
		named[flagName(argument)] = true
	}
	for conflicting, replaced := range replacedFlags {
		if named[conflicting] {
			named[replaced] = true
		}
	}
	var kept []string
	for _, argument := range own {
		if !named[flagName(argument)] {
			kept = append(kept, argument)
		}
	}
	return append(kept, users...)
}

// replacedFlags names flags that exclude one of ours under another name.
var replacedFlags = map[string]string{
	"authorization-config": "authorization-mode",
}

func flagName(argument string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(argument, "-"), "=")
	return strings.ReplaceAll(name, "_", "-")
}

// repeated collects a flag that may be given many times.
type repeated []string

func (r *repeated) String() string { return strings.Join(*r, " ") }

func (r *repeated) Set(value string) error {
	*r = append(*r, value)
	return nil
}
