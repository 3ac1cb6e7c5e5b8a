// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// Sizes of the stream-optimised VMDK format, in sectors unless named otherwise.
const (
	sector      = 512
	grain       = 128 // 64 KiB
	grainBytes  = grain * sector
	tableLength = 512 // grains in one table: 32 MiB
	overhead    = 128 // before the first grain
	gdAtEnd     = ^uint64(0)

	markEnd, markTable, markDirectory, markFooter = 0, 1, 2, 3
)

// vmdkStream writes a disk the way ESXi exports it: compressed grains in order of the disk, each table of grains after
// its last grain, directory and footer at the end, nothing that needs seeking.
type vmdkStream struct {
	out       *bufio.Writer
	at        uint32 // sectors written
	table     [tableLength]uint32
	used      bool // the table has an entry
	directory []uint32
}

func writeVMDK(to io.Writer, disk *os.File) error {
	stat, err := disk.Stat()
	if err != nil {
		return err
	}
	s := &vmdkStream{out: bufio.NewWriterSize(to, 1<<16)}
	capacity := uint64(stat.Size() / sector)
	s.sectors(vmdkHeader(capacity, gdAtEnd))
	s.sectors(append([]byte(vmdkDescriptor(capacity)), make([]byte, (overhead-1)*sector-len(vmdkDescriptor(capacity)))...))
	if err := s.grains(disk, stat.Size()); err != nil {
		return err
	}
	directory := s.at + 1
	s.marked(markDirectory, binaryOf(s.directory))
	s.marked(markFooter, vmdkHeader(capacity, uint64(directory)))
	s.marked(markEnd, nil)
	return s.out.Flush()
}

func (s *vmdkStream) grains(disk *os.File, size int64) error {
	buffer, zero := make([]byte, grainBytes), make([]byte, grainBytes)
	for number, at := 0, int64(0); at < size; number, at = number+1, at+grainBytes {
		clear(buffer)
		if _, err := disk.ReadAt(buffer, at); err != nil && err != io.EOF {
			return err
		}
		if !bytes.Equal(buffer, zero) {
			s.table[number%tableLength], s.used = s.at, true
			if err := s.grain(uint64(at/sector), buffer); err != nil {
				return err
			}
		}
		if number%tableLength == tableLength-1 || at+grainBytes >= size {
			s.endTable()
		}
	}
	return nil
}

// grain writes one: its place on the disk, its compressed size, the data.
func (s *vmdkStream) grain(lba uint64, data []byte) error {
	var packed bytes.Buffer
	packer, _ := zlib.NewWriterLevel(&packed, zlib.BestSpeed)
	packer.Write(data)
	packer.Close()
	head := binary.LittleEndian.AppendUint64(nil, lba)
	head = binary.LittleEndian.AppendUint32(head, uint32(packed.Len()))
	return s.sectors(append(head, packed.Bytes()...))
}

// endTable writes the table, unless all its grains are zero, and begins the next.
func (s *vmdkStream) endTable() {
	if !s.used {
		s.directory = append(s.directory, 0)
		return
	}
	s.directory = append(s.directory, s.at+1)
	s.marked(markTable, binaryOf(s.table[:]))
	s.table, s.used = [tableLength]uint32{}, false
}

// marked writes metadata behind the marker that announces it.
func (s *vmdkStream) marked(kind uint32, data []byte) {
	mark := binary.LittleEndian.AppendUint64(nil, uint64((len(data)+sector-1)/sector))
	mark = binary.LittleEndian.AppendUint32(mark, 0)
	s.sectors(binary.LittleEndian.AppendUint32(mark, kind))
	s.sectors(data)
}

// sectors writes data and fills the last sector up with zeros. An error stays with the writer until it is flushed.
func (s *vmdkStream) sectors(data []byte) error {
	whole := (len(data) + sector - 1) / sector
	s.out.Write(data)
	_, err := s.out.Write(make([]byte, whole*sector-len(data)))
	s.at += uint32(whole)
	return err
}

func binaryOf(numbers []uint32) []byte {
	var data []byte
	for _, number := range numbers {
		data = binary.LittleEndian.AppendUint32(data, number)
	}
	return data
}

func vmdkHeader(capacity, directory uint64) []byte {
	var header bytes.Buffer
	header.WriteString("KDMV")
	for _, field := range []any{uint32(3), uint32(0x30001), capacity, uint64(grain), uint64(1), uint64(20), uint32(tableLength),
		uint64(0), directory, uint64(overhead), uint8(0)} {
		binary.Write(&header, binary.LittleEndian, field)
	}
	header.WriteString("\n \r\n")
	binary.Write(&header, binary.LittleEndian, uint16(1)) // deflate
	return append(header.Bytes(), make([]byte, sector-header.Len())...)
}

func vmdkDescriptor(capacity uint64) string {
	return fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=a0b1c2d3\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n"+
		"# Extent description\nRW %d SPARSE \"call-me-stream.vmdk\"\n\n# The Disk Data Base\n#DDB\n\n"+
		"ddb.adapterType = \"lsilogic\"\nddb.geometry.cylinders = \"%d\"\nddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\n"+
		"ddb.virtualHWVersion = \"19\"\n", capacity, capacity/(16*63))
}
