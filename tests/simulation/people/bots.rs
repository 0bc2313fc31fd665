//! Bots: accounts that others have made.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::model::{Account, Done, Granted, Key, Model, User, look, same};
use super::order::NOBODY;
use super::told::Told;

impl Model {
    /// The bots of an account, the oldest first.
    pub fn bots_of(&self, owner: u64) -> Vec<u64> {
        let all = self.kept.accounts.iter();
        all.filter(|(_, one)| one.owner == Some(owner)).map(|(bot, _)| *bot).collect()
    }

    fn own_bot(&self, n: usize, name: &str) -> Option<u64> {
        let own = Some(self.clients[&n].user);
        self.account_called(name).filter(|bot| self.owner_of_bot(*bot) == own)
    }

    pub fn make_bot(&mut self, n: usize, name: &str, granted: &Granted) -> Done {
        let bot = match self.own_bot(n, name) {
            Some(bot) => bot,
            None => self.add_bot(n, name)?,
        };
        self.end_keys_of(bot, NOBODY);
        let random = granted.random.expect("it was drawn");
        let secret = format!("cst_{}", URL_SAFE_NO_PAD.encode(random));
        self.secrets.push((secret.clone(), true));
        let keys = &mut self.kept.accounts.get_mut(&bot).expect("it is there").keys;
        keys.push(Key { id: 1, secret: secret.clone(), is_token: true });
        let name = self.user(bot).name.clone();
        let object = json!({ "type": "bot", "name": name, "token": secret });
        let line = format!("* {name} is a bot of yours. Its token, shown only once: {secret}");
        self.tell(n, Told::Own { object, line });
        Ok(())
    }

    fn add_bot(&mut self, n: usize, name: &str) -> Result<u64, &'static [&'static str]> {
        let own = self.clients[&n].user;
        let is_taken = self.all().any(|(_, user)| look(&user.name) == look(name));
        if is_taken || self.is_reserved(name, own) {
            return Err(&["name_taken"]);
        }
        self.kept.reserved.retain(|one| !same(&one.name, name));
        let (bot, owner) = (self.next_user, Some(own));
        self.next_user += 1;
        self.kept.users.insert(bot, User { name: name.to_owned(), rooms: Vec::new() });
        let account = Account { password: String::new(), role: 0, owner, keys: Vec::new() };
        self.kept.accounts.insert(bot, account);
        Ok(bot)
    }

    pub fn end_bot(&mut self, n: usize, name: &str) -> Done {
        let bot = self.own_bot(n, name).ok_or(&["no_account"][..])?;
        self.end_account(bot, NOBODY);
        self.tell(n, Told::Done("end_bot"));
        Ok(())
    }
}
