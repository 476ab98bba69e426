# Dovecot and Postfix of the tests, on free ports of loopback, in a folder of their own. $1 is the folder with ca.pem,
# cert.pem and key.pem, $2 to $6 are the ports: IMAP with STARTTLS, IMAP under TLS, SMTP with STARTTLS, SMTP under TLS, and
# where Dovecot tells Postfix who may log in; $7 is there where many mailboxes are idle at once. Ends when its standard input does, and tidies up.
folder=$1 imap=$2 imaps=$3 smtp=$4 smtps=$5 auth=$6 many=${7:-}
PATH="$PATH:/usr/sbin"
command -v dovecot >/dev/null || { echo "no Dovecot here: apt-get install dovecot-imapd"; exit 1; }
command -v postfix >/dev/null || { echo "no Postfix here: apt-get install postfix"; exit 1; }
# Dovecot refuses to be root, Postfix to be anybody else
user=nobody group=$(id -gn nobody) uid=$(id -u nobody) gid=$(id -g nobody)
cd "$folder" || exit 1
mkdir -p dovecot/run dovecot/state mail postfix/spool postfix/data etc tokens/default/HS256
# tokens are signed with this key; the tests know it
printf '%s' "$(printf 'the key of the tests, as long as it should be' | base64)" >tokens/default/HS256/default
printf '%s\n' 'introspection_mode = local' "local_validation_key_dict = fs:posix:prefix=$folder/tokens/" \
  'username_attribute = email' >oauth2.conf
chmod 755 "$folder" && chown -R $user:$group dovecot mail tokens oauth2.conf && chown postfix postfix/data && chmod 644 ./*.pem

cat >dovecot.conf <<END
base_dir = $folder/dovecot/run
state_dir = $folder/dovecot/state
log_path = $folder/dovecot/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <$folder/cert.pem
ssl_key = <$folder/key.pem
auth_mechanisms = plain login xoauth2
auth_failure_delay = 0
default_internal_user = $user
default_internal_group = $group
default_login_user = $user
first_valid_uid = 1
mail_max_userip_connections = 1000
mail_location = maildir:$folder/mail/%u:INDEX=MEMORY
mail_uid = $uid
mail_gid = $gid
namespace inbox {
  inbox = yes
  separator = /
  mailbox "Отправленные" {
    special_use = \Sent
    auto = create
  }
}
passdb {
  driver = oauth2
  mechanisms = xoauth2
  args = $folder/oauth2.conf
}
passdb {
  driver = static
  mechanisms = plain login
  args = password=secret
}
userdb {
  driver = static
  args = uid=$uid gid=$gid home=$folder/mail/%u
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $imap
  }
  inet_listener imaps {
    port = $imaps
    ssl = yes
  }
}
service auth {
  inet_listener {
    address = 127.0.0.1
    port = $auth
  }
}
service anvil {
  chroot =
  # wrong passwords in one test must not make every login from this address wait
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
END

# many mailboxes idle at once: a login is no process of its own then, but goes on for as long as its connection
[ -z "$many" ] || cat >>dovecot.conf <<END
default_client_limit = 8000
default_process_limit = 2000
service imap {
  process_limit = 2000
}
service imap-login {
  service_count = 0
  process_limit = 4
}
END

cat >etc/main.cf <<END
compatibility_level = 3.6
queue_directory = $folder/postfix/spool
data_directory = $folder/postfix/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = $folder/postfix.log
maillog_file_prefixes = $folder
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.company.test
mydestination =
default_transport = error:nobody else lives here
virtual_mailbox_domains = company.test, example.test
virtual_mailbox_maps = static:all
virtual_transport = folder
folder_destination_recipient_limit = 1
smtpd_tls_cert_file = $folder/cert.pem
smtpd_tls_key_file = $folder/key.pem
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:$auth
smtpd_reject_unlisted_recipient = no
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_recipient_restrictions = check_recipient_access regexp:$folder/etc/access, permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
message_size_limit = 3000000
END
# a ghost is taken at the door and sent back from within: 67 is «no such user»
cat >deliver <<'END'
case $2 in ghost*) exit 67 ;; esac
box=$1/mail/$2 name=$(date +%s%N).$$.test
mkdir -p "$box/tmp" "$box/new" "$box/cur" && cat >"$box/tmp/$name" && mv "$box/tmp/$name" "$box/new/$name" || exit 75
END
printf '%s\n' '/^stranger/ 550 5.1.1 No such user here' '/^gray/ 450 4.2.0 Come back later' '/^full/ 552 5.2.2 Mailbox full' \
  '/^spam/ 554 5.7.1 Not wanted' '/^quota/ 550 5.4.5 Daily sending limit exceeded' >etc/access
cat >etc/master.cf <<END
127.0.0.1:$smtp inet n - n - - smtpd
127.0.0.1:$smtps inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
folder unix - n n - - pipe flags=DRhu user=$user argv=/bin/sh $folder/deliver $folder \${recipient}
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
END

trap '' PIPE
trap 'exit 1' HUP INT TERM
trap 'kill $dovecot 2>/dev/null; postfix -c "$folder/etc" stop >/dev/null 2>&1; cd / && rm -rf "$folder"' EXIT
begin_dovecot() {
  setpriv --reuid=$user --regid=$group --clear-groups dovecot -F -c "$folder/dovecot.conf" >dovecot.out 2>&1 &
  dovecot=$!
}
begin_dovecot
postfix -c "$folder/etc" start >postfix.out 2>&1 || { tr '\n' ' ' <postfix.out; echo; exit 1; }
# every port must answer before anybody is told
for port in $imap $imaps $smtp $smtps $auth; do
  n=0
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    n=$((n + 1))
    [ $n -lt 200 ] || { echo "nobody at $port: $(tail -n 3 dovecot.out dovecot/log postfix.out postfix.log 2>/dev/null | tr '\n' ' ')"; exit 1; }
    sleep 0.05
  done
done
echo ready
while read -r word; do
  case $word in
    stop) kill $dovecot; wait $dovecot; echo stopped ;;
    start)
      begin_dovecot
      until (exec 3<>"/dev/tcp/127.0.0.1/$imaps") 2>/dev/null; do sleep 0.02; done
      echo ready ;;
    *) echo "no such word: $word" ;;
  esac
done
