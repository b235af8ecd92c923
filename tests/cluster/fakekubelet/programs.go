package fakekubelet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// allowedPrograms are what exec may run. They read, print and wait; none of
// them is of use to break anything beyond the container's directory.
var allowedPrograms = []string{
	"sh", "cat", "ls", "echo", "env", "tar", "sleep", "date", "true", "false",
	"id", "head", "wc", "printf", "stty", "tty", "test",
}

// pathPrograms take file names as arguments. Absolute ones are read as
// relative to the container's directory.
var pathPrograms = map[string]bool{
	"cat": true, "ls": true, "tar": true, "head": true, "wc": true, "test": true,
}

// programs is a directory with links to the allowed programs; it is the whole
// PATH of whatever runs.
type programs struct{ dir string }

// linkPrograms leaves out what this machine does not have.
func linkPrograms(dir string) (programs, error) {
	if err := os.RemoveAll(dir); err != nil {
		return programs{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return programs{}, err
	}
	for _, name := range allowedPrograms {
		found, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if err := os.Symlink(found, filepath.Join(dir, name)); err != nil {
			return programs{}, err
		}
	}
	// The machine's own `hostname` would tell the machine's name.
	script := "#!/bin/sh\necho \"$HOSTNAME\"\n"
	return programs{dir}, os.WriteFile(filepath.Join(dir, "hostname"), []byte(script), 0o755)
}

// lookup finds the program of a command. `/bin/sh` and `sh` are the same, and
// bash is taken as sh.
func (p programs) lookup(command []string) (string, bool) {
	if len(command) == 0 {
		return "", false
	}
	name := path.Base(command[0])
	if name == "bash" || name == "ash" {
		name = "sh"
	}
	file := filepath.Join(p.dir, name)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	return file, true
}

// argv is the command with its paths mapped into the container's directory,
// which is also its working directory.
func (p programs) argv(command []string) ([]string, error) {
	file, found := p.lookup(command)
	if !found {
		return nil, fmt.Errorf("exec: %q: not one of the programs a test container has", command[0])
	}
	argv := append([]string{file}, command[1:]...)
	if !pathPrograms[filepath.Base(file)] {
		return argv, nil
	}
	for i := 1; i < len(argv); i++ {
		argv[i] = relative(argv[i])
	}
	return argv, nil
}

// relative leaves `/dev` alone. It adds no leading `./`, because `kubectl cp`
// compares the names in the archive with the one it asked for.
func relative(argument string) string {
	if !strings.HasPrefix(argument, "/") || strings.HasPrefix(argument, "/dev/") {
		return argument
	}
	if inside := path.Clean(argument)[1:]; inside != "" {
		return inside
	}
	return "."
}
