// Links as QR codes, against what another encoder makes of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { modulesOf } from '../../src/web/ui/dialogs/qr.js';

/** The rows of modules, in hexadecimal. */
const CODES = {
  'https://chat.example.com/#invite=8GTM-2V4Q-KXP7': [
    '1fcd1727f 104724941 175d53a5d 175c26e5d 175ff1c5d 105b0ec41 1fd55557f 1e53f00 17ceda77c 29ddef6f befe9914 1b09d85e',
    'f4a5119b 98cac4a3 1461398c6 1b2da08dc 4dfe86b5 b1717a6f 15f8344b4 d34a1d7e a5ac693a 1a0139bed 10590280a 16b393ddf',
    '14d74e5ff 131f115 1fcff8756 105b0c31c 175d31dfa 175b2c19d 175cf9c64 1047e0f9c 1fd36d726',
  ],
  'https://a.very.long.name.of.a.server.behind.a.proxy.example.com/with/a/path/of/quite/some/length/below/it/#invite=8GTM-2V4Q-KXP7': [
    '1fcdb5306b97f 10411a7ac1741 1756b8bf5435d 17518214eba5d 1757a4fdf185d 105a36c53ec41 1fd555555557f 115c479e100',
    '17c95ffc0b67c 6bedcf9e38d4 17e1b6142f4c7 10ac760750113 4df00fa23d2f 12a8636bd0862 fc3d9dc3e527 cba4b4685591',
    '10de01b93ed00 1eaa82ab948c1 1d46a4ed7aa2b 1bb3260f94a31 14da4576c77c4 8a22e6dc2afc 7fb807c1e5fb 131e964558f12',
    '750b9d4a3f5e 1111c445c0b10 9f2ad7d3efff 7a4fc53d4c88 1bc3ca50edffd 1f86f4a9d3a00 9c35a413c66b f0cbce4694b1 1f50138ac13b9',
    '41b4ad06aba2 1d5286aac3b69 150381e5d4903 acc5f48eda56 335c691439ec 8c63e512fc51 e06288794531 1c6347fea13fc 1f86c4c3914',
    '1fc912d504d57 10520ac792d10 175c187c479f6 175d47e3f08f5 175ff93925460 104d33c2862c9 1fd5a9293d00f',
  ],
};

const hex = (row) => BigInt(`0b${row.map(Number).join('')}`).toString(16);

test('links are drawn as QR codes', () => {
  for (const [link, rows] of Object.entries(CODES)) assert.equal(modulesOf(link).map(hex).join(' '), rows.join(' '));
});

test('what is too long is none', () => {
  assert.equal(modulesOf('x'.repeat(213)).length, 57);
  assert.equal(modulesOf('x'.repeat(214)), null);
});
