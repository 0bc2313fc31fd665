// All that opens over the page, and over the message box. It comes in a script of its own: nobody needs it to see the first message.

import { $ } from '../dom.js';
import { AccountMenu } from './account-menu.js';
import { Accounts } from './accounts.js';
import { Ask } from './ask.js';
import { CommandList } from './commands.js';
import { Completion } from './completion.js';
import { Help } from './help.js';
import { Order } from './order.js';
import { RoomDialogs } from './rooms.js';
import { Search } from './search.js';
import { Switcher } from './switcher.js';
import { TellingDialog } from './telling.js';

export class Dialogs {
  /** @param {import('../app.js').App} app */
  constructor(app) {
    this.ask = new Ask(app);
    this.help = new Help(app);
    this.order = new Order(app);
    this.roomDialogs = new RoomDialogs(app);
    this.search = new Search(app);
    this.switcher = new Switcher(app);
    this.tellingDialog = new TellingDialog(app);
    this.accounts = new Accounts(app);
    app.composer.completion = new Completion($('#composer'), () => app.commands.names());
    this.accountMenu = new AccountMenu(app, this.accounts.dialog);
    for (const part of [this.ask, this.search, this.switcher, new CommandList(app)]) part.listen();
  }
}
