// What nobody needs to read and to write: all that opens over the page, what is typed with a slash, and what is asked of the
// server now and then. It is fetched as soon as the first part of the page, main.js, is at work; see core/later.js.

import { actionsOf } from './commands/actions.js';
import { Commands } from './commands/table.js';
import { roomChanges } from './core/changes.js';
import { Recall } from './core/recall.js';
import { store } from './core/store.js';
import { Account } from './net/account.js';
import { askAdmission } from './net/admission.js';
import { Conversations } from './net/conversations.js';
import { Finding } from './net/finding.js';
import { History } from './net/history.js';
import { Marking } from './net/marking.js';
import { AccountMenu } from './ui/dialogs/account-menu.js';
import { Accounts } from './ui/dialogs/accounts.js';
import { Ask } from './ui/dialogs/ask.js';
import { CommandList } from './ui/dialogs/commands.js';
import { Completion } from './ui/dialogs/completion.js';
import { Help } from './ui/dialogs/help.js';
import { Order } from './ui/dialogs/order.js';
import { RoomDialogs } from './ui/dialogs/rooms.js';
import { Search } from './ui/dialogs/search.js';
import { SettingsDialog } from './ui/dialogs/settings.js';
import { Switcher } from './ui/dialogs/switcher.js';
import { listenDialogs } from './ui/dialogs/views.js';
import { Address } from './ui/address.js';
import { Asking } from './ui/asking.js';
import { Entrance } from './ui/entrance.js';
import { Filter } from './ui/filter.js';
import { Hints } from './ui/hints.js';
import { Missed } from './ui/missed.js';
import { Paste } from './ui/paste.js';
import { textActs } from './ui/rows/acts.js';
import { Roving } from './ui/roving.js';
import { Telling } from './ui/telling.js';
import { t } from './words/index.js';

export class Parts {
  admission = { ask: askAdmission };
  hints = new Hints();
  paste = new Paste();
  recall = new Recall();
  roomChanges = roomChanges;
  roving = new Roving();
  textActs = textActs;

  /** @param {import('./ui/app.js').App} app */
  constructor(app) {
    const { session } = app;
    this.account = new Account(session);
    this.conversations = new Conversations(session);
    this.finding = new Finding(session);
    this.history = new History(session);
    this.marking = new Marking(session);
    this.accounts = new Accounts(app);
    this.accountMenu = new AccountMenu(app, this.accounts.dialog);
    this.address = new Address(app);
    this.ask = new Ask(app);
    this.asking = new Asking(app);
    this.commands = new Commands(actionsOf(app));
    this.completion = new Completion(() => this.commands.names());
    this.entrance = new Entrance(app);
    this.help = new Help(app);
    this.missed = new Missed(app);
    this.order = new Order(app);
    this.roomDialogs = new RoomDialogs(app);
    this.search = new Search(app);
    this.settingsDialog = new SettingsDialog(app);
    this.switcher = new Switcher(app);
    this.telling = new Telling(app);
    const { address, ask, entrance, hints, missed, roving, search, switcher } = this;
    for (const part of [address, ask, entrance, hints, missed, roving, search, switcher, new CommandList(this.commands), new Filter(app)]) part.listen();
    listenDialogs();
    if (store.notice?.text === t.notLoaded) store.notice = null;
  }
}
