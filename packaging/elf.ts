/**
 * Which version of the C library a program needs: the newest `GLIBC_x.y` in the table of versions
 * that it asks for (`.gnu.version_r` of a 64-bit little-endian ELF file).
 *
 *   Elf64_Verneed { u16 version, u16 count, u32 file, u32 aux, u32 next }
 *   Elf64_Vernaux { u32 hash, u16 flags, u16 other, u32 name, u32 next }
 */
import type { Buffer } from "node:buffer";

/** The section type of `.gnu.version_r`. */
const SHT_GNU_VERNEED = 0x6ffffffe;

interface Section {
  type: number;
  offset: number;
  link: number;
  info: number;
}

/** `2.36`; throws where the file is not an ELF file that asks for glibc. */
export function neededGlibc(file: Buffer): string {
  const sections = sectionsOf(file);
  const names = new Set<string>();
  for (const needs of sections.filter(({ type }) => type === SHT_GNU_VERNEED)) {
    const strings = sections[needs.link].offset;
    let need = needs.offset;
    for (let count = needs.info; count > 0; count--) {
      let aux = need + file.readUInt32LE(need + 8);
      for (let versions = file.readUInt16LE(need + 2); versions > 0; versions--) {
        const at = strings + file.readUInt32LE(aux + 8);
        names.add(file.toString("latin1", at, file.indexOf(0, at)));
        aux += file.readUInt32LE(aux + 12);
      }
      need += file.readUInt32LE(need + 12);
    }
  }
  const versions = [...names].flatMap((name) => /^GLIBC_([\d.]+)$/.exec(name)?.[1] ?? []);
  if (versions.length === 0) throw new Error("This program asks for no version of glibc");
  return versions.reduce((newest, one) => compareVersions(one, newest) > 0 ? one : newest);
}

/** Of dotted numbers: negative where the first is the older one. */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [one, other].map((version) => version.split(".").map(Number));
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function sectionsOf(file: Buffer): Section[] {
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) {
    throw new Error("This is not a 64-bit little-endian ELF file");
  }
  const table = Number(file.readBigUInt64LE(0x28));
  const bytes = file.readUInt16LE(0x3a);
  return Array.from({ length: file.readUInt16LE(0x3c) }, (_, index) => {
    const at = table + index * bytes;
    return {
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 0x18)),
      link: file.readUInt32LE(at + 0x28),
      info: file.readUInt32LE(at + 0x2c),
    };
  });
}
