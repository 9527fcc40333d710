-- Tells this store from every other one, for as long as its tasks are kept.
create table {s}.store (identity text not null);
insert into {s}.store (identity) values (replace(gen_random_uuid()::text, '-', ''));
