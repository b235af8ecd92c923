package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// portReservation holds a loopback port chosen by the system for a child that
// can only be told a number. The socket stays bound but never listens, and the
// child binds the same port with SO_REUSEPORT: nobody else can take the port in
// between, nor while a killed child is being restarted.
type portReservation struct {
	fd   int
	port int
}

func reservePort() (portReservation, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return portReservation{}, fmt.Errorf("reserve a port: %w", err)
	}
	unix.CloseOnExec(fd)
	if err := bindLoopback(fd); err != nil {
		unix.Close(fd)
		return portReservation{}, fmt.Errorf("reserve a port: %w", err)
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		unix.Close(fd)
		return portReservation{}, fmt.Errorf("reserve a port: %w", err)
	}
	return portReservation{fd, address.(*unix.SockaddrInet4).Port}, nil
}

func bindLoopback(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
}
