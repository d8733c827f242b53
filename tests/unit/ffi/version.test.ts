import { expect, test } from "bun:test";
import { describeVersion, parseVersion } from "../../../ffi/libsrt/version.ts";

test("the number is taken apart", () => {
  expect(parseVersion(0x010501)).toEqual([1, 5, 1]);
  expect(parseVersion(0x020a1f)).toEqual([2, 10, 31]);
});

const debian = (version: string) => `libsrt-openssl-dev ${version}, libssl-dev 3.0.17-1~deb12u3`;
const table: [number: number, from: string | null, version: string, vulnerable: boolean][] = [
  [0x010500, null, "1.5.0", true],
  [0x010501, null, "1.5.1", true],
  [0x010505, null, "1.5.5", true],
  [0x010506, null, "1.5.6", false],
  [0x010600, null, "1.6.0", false],
  [0x020000, null, "2.0.0", false],
  [0x010404, null, "1.4.4", true],
  [0x010501, debian("1.5.1-1"), "1.5.1", true],
  [0x010501, debian("1.5.1-1+deb12u1"), "1.5.1", true],
  [0x010501, debian("1.5.1-1+deb12u2"), "1.5.1", false],
  [0x010501, debian("1.5.1-1+deb12u10"), "1.5.1", false],
  [0x010501, debian("1.5.1-1+b1"), "1.5.1", true],
  [0x010503, debian("1.5.3-1build2"), "1.5.3", true],
  [0x010501, "", "1.5.1", true],
];
for (const [number, from, version, vulnerable] of table) {
  test(`${version} from ${from ?? "somewhere"} is ${vulnerable ? "" : "not "}vulnerable`, () => {
    expect(describeVersion(number, from)).toEqual({ version, vulnerable });
  });
}
